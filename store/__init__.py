"""What outlives the server: a database of what is asked of, journals and blobs of what is big."""
