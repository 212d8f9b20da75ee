"""What a valid agent, user, account, token or list query is. All doors share these rules."""
