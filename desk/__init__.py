"""What support staff meet: /admin/, as the site of Django's admin."""
