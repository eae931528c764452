"""What outlives the server: session manifests and journals on disk."""
