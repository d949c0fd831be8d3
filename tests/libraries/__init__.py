"""Objects of the libraries that scientists use come back the same, as each library sees it."""
