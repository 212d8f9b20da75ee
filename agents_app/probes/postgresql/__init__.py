"""The probe of PostgreSQL."""
