"""How migrations reach a database, lock it and ask it about itself."""
