"""The team's server: one registry for people, programs and `holdfast.open("https://…")`."""
