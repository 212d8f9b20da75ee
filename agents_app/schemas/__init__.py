"""What a valid agent, person, token or list query is: the rules every door shares."""
