"""The rehearsal's certificate authority: pebble, which stands in for Let's Encrypt."""
