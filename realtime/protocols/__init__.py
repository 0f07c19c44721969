"""Protocols of the VTuber world: VMC over OSC out and in, iFacialMocap in. They carry numbers, never a picture."""
