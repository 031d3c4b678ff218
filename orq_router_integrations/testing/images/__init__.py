"""The image endpoints: pictures that are drawn here, and show what they were asked to be."""
