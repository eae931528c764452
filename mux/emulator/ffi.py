"""libghostty-vt through cffi, its parsed declarations cached: 16 ms at start instead of 270.

``import pyghostty`` has cffi parse 80 kB of C declarations each time. Here they are parsed once, written as an
out-of-line cffi module to the user's cache folder, and loaded from there, keyed by everything they depend on. The
cache holds code that runs, so a folder or file that is not ours alone is not used; then, and where nothing can
be written, the declarations are parsed in memory. Objects of this ``ffi`` and of ``pyghostty``'s do not mix.
"""

import _imp
import importlib.util
import os
import stat
import sys
import tempfile
from importlib.machinery import PathFinder
from typing import Any

# GhosttyPoint holds a union, which cffi's ABI mode cannot pass by value: a struct of the same layout can.
_TWINS = """
typedef struct { uint16_t x; uint32_t y; uint64_t _pad; } GhosttyPointValueS;
typedef struct { GhosttyPointTag tag; GhosttyPointValueS value; } GhosttyPointS;
"""
_FORMAT = b"1"  # of the cache file; part of its name


class LibraryMissing(RuntimeError):
    """libghostty-vt is not installed where pyghostty should be."""


def _package() -> str:
    spec = PathFinder.find_spec("pyghostty")  # does not import it
    if spec is None or spec.origin is None:
        raise LibraryMissing("pyghostty is not installed")
    return os.path.dirname(spec.origin)


def _library(package: str) -> str:
    suffix = ".dylib" if sys.platform == "darwin" else ".so"
    return os.environ.get("PYGHOSTTY_LIB") or os.path.join(package, "_lib", "libghostty-vt" + suffix)


def _ours(path: str) -> bool:
    info = os.stat(path, follow_symlinks=False)
    return info.st_uid == os.geteuid() and not info.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _parsed(source: bytes) -> Any:
    from cffi import FFI

    declarations: dict[str, str] = {}
    exec(compile(source, "pyghostty/_cdef.py", "exec"), declarations)
    parsed = FFI()
    parsed.cdef(declarations["CDEF"])
    parsed.cdef(_TWINS)
    return parsed


def _cached(source: bytes, name: str, folder: str) -> Any:
    """Return the out-of-line ffi object, writing its file first if need be; OSError where that is not possible."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    if not _ours(folder):
        raise PermissionError(f"{folder} can be written by others")
    path = os.path.join(folder, name + ".py")
    if not os.path.exists(path):
        from cffi import recompiler

        parsed = _parsed(source)
        parsed.set_source(name, None)
        handle, draft = tempfile.mkstemp(dir=folder, suffix=".py")
        os.close(handle)
        recompiler.make_py_source(parsed, name, draft)
        os.replace(draft, path)
    if not _ours(path):
        raise PermissionError(f"{path} can be written by others")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.ffi


def _load() -> tuple[Any, Any, str]:
    import _cffi_backend
    import platformdirs

    package = _package()
    with open(os.path.join(package, "_cdef.py"), "rb") as file:
        source = file.read()
    versions = f"{_cffi_backend.__version__} {sys.version}".encode()
    key = _imp.source_hash(0, _FORMAT + source + _TWINS.encode() + versions).hex()
    try:
        loaded = _cached(source, "_libghostty_" + key, platformdirs.user_cache_dir("agentmux"))
    except OSError:
        loaded = _parsed(source)
    path = _library(package)
    if loaded.sizeof("GhosttyPointS") != loaded.sizeof("GhosttyPoint"):
        raise LibraryMissing("this pyghostty lays out GhosttyPoint in another way")
    return loaded, loaded.dlopen(path), path


ffi, lib, library_path = _load()
