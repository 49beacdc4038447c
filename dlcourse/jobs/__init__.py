"""From configurations to folders: runs that train networks, in stacks, and measurements; done by worker processes."""
