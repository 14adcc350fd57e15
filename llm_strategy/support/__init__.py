"""What every package may use: files, secrets, text from outside."""
