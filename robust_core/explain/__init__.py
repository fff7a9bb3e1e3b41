"""Why a network says what it says: attributions, the loss around an image."""
