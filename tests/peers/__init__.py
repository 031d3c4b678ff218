"""What our chat model and package can, beside others: the checks behind the README's table."""
