"""What makes and judges the weights that the app ships."""
