"""What is true of Stripe without asking it: pure, standard library only."""
