"""What keeps the shelf: import, export, delete with undo, download, evaluate in the background, room on the disk.

Everything is a file or a folder; all of it may be called by several processes and visitors at once.
"""
