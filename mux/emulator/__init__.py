"""The parts behind mux/screen.py, the one door to libghostty-vt. Nothing else imports from here."""
