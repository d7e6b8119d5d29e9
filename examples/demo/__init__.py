"""The main job, as a story on real apps and a real server; one module for each scene."""
