"""Every rule and every change. No Flask, no forms, no HTTP."""
