"""What can break, each named by what breaks: plan (pure), inject, undo, verify."""
