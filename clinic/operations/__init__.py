"""What the people who run Onset need beside it: backups, restoring them, and a look at migrations before
they meet a running clinic. No models; it stands beside the ground floor and knows the apps by command names
only."""
