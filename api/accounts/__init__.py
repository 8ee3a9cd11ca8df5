"""Groups, users and logins over HTTP."""
