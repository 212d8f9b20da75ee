"""The probe of Power BI, with its sign-in at Microsoft Entra."""
