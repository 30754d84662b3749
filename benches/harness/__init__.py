"""The benchmark harness: sets up servers, data and load, and reports figures beside their targets."""
