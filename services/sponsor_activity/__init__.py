"""What sponsors do → activities, sponsorships, views of proposals → what leads and dashboards stand on."""
