"""What a key can hold, one type a file. Data only: no commands, no clock."""
