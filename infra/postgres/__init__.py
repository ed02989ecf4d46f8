"""The database: plain-SQL migrations, and what applies them."""
