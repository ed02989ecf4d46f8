"""A believable organisation and its season of events, for `eventos up --demo`. Everything in it is made up."""
