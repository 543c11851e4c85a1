"""Training mode: hidden objects mixed into a head's samples, a learner's marks, score and history. Never a survey."""
