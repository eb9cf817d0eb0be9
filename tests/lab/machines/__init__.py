"""Single machines of the lab, the cloud itself, and the smallest site."""
