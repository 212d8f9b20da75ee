"""Operations: every rule, and every change. Each module is either operations or helpers, as its first line says."""
