"""The boards: one file each, `board(desk)`."""
