"""The probe of SQL Server and Azure SQL."""
