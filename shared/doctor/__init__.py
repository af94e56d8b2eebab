"""`tasuki doctor`: looks at all that somebody who helps would ask about, and says what to do. It changes nothing."""
