"""What a phone meets: GET /<MAC>. No REST framework, no session, no ORM on the way."""
