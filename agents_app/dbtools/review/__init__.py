"""What a migration would do, and what is dangerous about it. Nothing is changed."""
