# The library of the report's viewer: NiiVue from npm, held against a pinned hash. Nothing else needs it:
# without it pages have pictures alone, and everything builds offline.
.PHONY: viewer
viewer: ## fetch NiiVue from npm (pinned by SHA-256), so that reports have an interactive viewer
	@sh scripts/fetch_viewer.sh $(BIN)
