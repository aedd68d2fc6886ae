"""Figures as inline SVG: vector graphics of our own, described in words for who cannot see them."""
