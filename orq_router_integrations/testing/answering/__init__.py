"""What the offline models say: scripted answers, or ones that obey the request."""
