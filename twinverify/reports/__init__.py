"""What people look at: the live table and the leaderboard."""
