"""How steps are applied, and what is said when one fails."""
