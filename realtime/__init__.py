"""Time, threads and devices: treats faces as opaque."""
