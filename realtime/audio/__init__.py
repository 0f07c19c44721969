"""Sound: microphone, delay line, output; the voice that moves the mouth. Sounddevice is imported only when asked."""
