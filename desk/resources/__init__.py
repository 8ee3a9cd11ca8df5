"""What an exported list has in each column."""
