"""Task runners: threads of the flow process, and the clusters that they may drive."""
