"""The service for a long time, under a great many requests, and in bad weather."""
