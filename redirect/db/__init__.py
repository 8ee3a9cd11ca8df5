"""What every app needs of the database: where PostgreSQL and SQLite differ, transactions, deadlines."""
