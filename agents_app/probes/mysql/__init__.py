"""The probe of MySQL and MariaDB."""
