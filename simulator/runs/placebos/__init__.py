"""Accounts that make the decisions of an arm at other moments, through the same gate, orders, broker and costs."""
